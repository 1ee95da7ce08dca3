"""Offers each user action once: `usecases`, and on top of them the command line and REST."""
