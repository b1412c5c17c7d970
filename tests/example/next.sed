# The next version of the example.
s|^		.stage = "headed"|		.stage = "headed-2"|
