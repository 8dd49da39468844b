"""Claims as tests: what each claim states, and its verdict. The experiments define the measures."""
