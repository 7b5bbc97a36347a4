"""What several test modules use: projects, servers and wheels made for tests."""
