"""The product beside other agents, each installed from its package in an environment of its own."""
