//! The command line: `serve` and the client commands.
