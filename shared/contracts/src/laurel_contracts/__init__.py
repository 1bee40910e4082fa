"""What Laurel's services say to each other: event shapes, topics and the programme document. Holds no rule and does no I/O
beyond reading the topic files that ship with it. The one thing not to break: a field or a type that has been said
once is never renamed, narrowed or given another meaning; a breaking change is a new type name."""
