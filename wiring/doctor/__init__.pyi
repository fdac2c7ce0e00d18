from .deployment_checks import check_deployment as check_deployment
from .machine_checks import check_machine as check_machine
