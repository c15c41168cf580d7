//! Configuration, listener, router and life cycle: what makes the rooms one running server.
