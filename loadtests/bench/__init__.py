"""Compare flask_irl with its rivals: ``python -m loadtests.bench``.

``cases`` holds the apps that are measured, ``measure`` the measurements, ``report`` figures, tables
and chart. :mod:`~loadtests.bench.admin` and :mod:`~loadtests.bench.metrics` are benchmarks of
their own.
"""
