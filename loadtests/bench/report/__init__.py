"""Turn measurements into figures, tables, JSON and a chart."""
