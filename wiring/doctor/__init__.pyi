from .deployment_checks import check_service as check_service
from .deployment_checks import not_deployed as not_deployed
from .machine_checks import Finding as Finding
from .machine_checks import credential as credential
from .machine_checks import data_dir as data_dir
from .machine_checks import git as git
from .machine_checks import python as python
