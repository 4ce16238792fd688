"""What goes on without a command: the services on this machine, and the production stack.

``dev`` starts and stops them, ``supervisor`` keeps them alive in a process of its own,
``log_files`` says where their logs are; ``stack`` and its neighbours do the same with containers.
Dagster is only a command line here, never an import. It may import the rooms below it.
"""
