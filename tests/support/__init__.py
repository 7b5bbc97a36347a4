"""Helpers shared by several test modules: projects, servers and wheels for tests."""
