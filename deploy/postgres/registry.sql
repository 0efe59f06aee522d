-- The registry keeps its schemas in a database of its own; the image creates only the one it is told.
CREATE DATABASE registry;
