"""The pages: each a function from what is asked to a document, thin over the rooms that know."""
