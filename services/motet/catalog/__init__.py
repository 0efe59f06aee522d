"""What is on the topics: the topics file, the schemas, and the generator of the record classes."""
