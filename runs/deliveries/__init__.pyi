from .protocol import LEASE_S as LEASE_S
from .protocol import LONGEST_PAUSE_S as LONGEST_PAUSE_S
from .protocol import Deliveries as Deliveries
from .protocol import Delivery as Delivery
from .sql_deliveries import SqlDeliveries as SqlDeliveries
from .table_deliveries import TableDeliveries as TableDeliveries
