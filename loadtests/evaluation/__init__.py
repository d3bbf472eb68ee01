"""``make evaluate``: the limiter with the demo app's defaults, judged on made-up and real logs."""
