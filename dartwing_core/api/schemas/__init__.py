"""Types of the arguments and answers of the REST API, by topic. `openapi` makes the description from them.

The text in an `Annotated` type is the description of the argument.
"""
