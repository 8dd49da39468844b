"""Claims as tests: what each says, and the verdict on it. The measures come with the experiments."""
