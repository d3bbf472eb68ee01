import os
from hypothesis import HealthCheck, settings, seed
from tests.admin.test_schemathesis import schema, answered
from tests.admin.api import WRITE
@schema.parametrize()
@seed(int(os.environ.get("SEED", "0")))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_x(case):
    case.call_and_validate(headers={"Authorization": f"Bearer {WRITE}"})
def test_z():
    for k, v in sorted(answered.items(), key=str): print(k, v)
