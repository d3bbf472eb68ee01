"""Compare forecasts of a site's traffic: ``python -m loadtests.forecasts --logs FOLDER``.

What is usual on a site, from which campaigns are told, is a flat rate that fades. Whether a model
that knows the hour, the weekday or the last minutes would do better is measured here, on counts in
five minutes of requests, failed logins and newcomers of the busiest routes::

    series.py     a log's counts, made-up ones with a strong season, and attacks added to them
    forecast.py   the form of forecasts, and their errors
    online.py     a few numbers a series: the flat rate, seasonal robust smoothing, spreads
    batch.py      training again and again on what has been
    boosted.py    gradient-boosted quantiles, by scikit-learn
    lstm.py       a small LSTM, by PyTorch and onnxruntime, where these are installed
    table.py      the tables
"""
