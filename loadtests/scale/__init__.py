"""Measure how far one Redis goes, and a cluster: ``python -m loadtests.scale``.

``sites`` starts the stores, ``workers`` runs processes that ask them, ``__main__`` is the command.
"""
