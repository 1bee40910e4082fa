"""One file per command; registered in laurel_cli.main."""
