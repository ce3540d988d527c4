"""All controllers of the session API: the list that a new area adds its own to."""

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from app.import_api.imports import ImportController
from app.import_api.inventory import ImportInventoryController
from app.import_api.tokens import TokenController
from app.integrations_api.inventory import IntegrationInventoryController
from app.integrations_api.locations import IntegrationLocationController
from app.integrations_api.products import IntegrationProductController
from app.session_api.abc_classes import AbcController
from app.session_api.adjustments import AdjustmentController
from app.session_api.admin_keys import AdminKeyController
from app.session_api.admin_roles import AdminRoleController
from app.session_api.admin_users import AdminInvitationController, AdminUserController
from app.session_api.analytics import AnalyticsController
from app.session_api.approval_rules import ApprovalRuleController
from app.session_api.audit import AuditController
from app.session_api.auth import AuthController
from app.session_api.availability import AvailabilityController
from app.session_api.bins import BinController
from app.session_api.blind_form import BlindFormController
from app.session_api.categories import CategoryController
from app.session_api.channel_location import ChannelLocationController
from app.session_api.channel_summary import ChannelSummaryController
from app.session_api.channels import ChannelController
from app.session_api.count_plans import CountPlanController
from app.session_api.count_resolution import CountResolutionController
from app.session_api.count_reviews import CountReviewController
from app.session_api.count_tasks import CountTaskController
from app.session_api.cycle_counts import CycleCountController
from app.session_api.delegations import DelegationController
from app.session_api.destructions import DestructionController
from app.session_api.documents import DocumentController
from app.session_api.events import EventsController
from app.session_api.expired import ExpiredController
from app.session_api.field_mappings import FieldMappingController
from app.session_api.holds import ExceptionController, HoldController
from app.session_api.inventory import InventoryController
from app.session_api.invitations import InvitationController
from app.session_api.issues import IssueController
from app.session_api.jobs import JobController
from app.session_api.levels import LevelController
from app.session_api.lot_control import LotControlController
from app.session_api.lot_correction import LotCorrectionController
from app.session_api.lot_trace import LotTraceController
from app.session_api.lots import LotController
from app.session_api.movements import MovementController
from app.session_api.operations import OperationsController
from app.session_api.own_sessions import OwnSessionController
from app.session_api.own_tokens import OwnTokenController
from app.session_api.places import AreaController, LocationController
from app.session_api.products import ProductController
from app.session_api.put_away import PutAwayController
from app.session_api.reason_codes import ReasonCodeController
from app.session_api.receipts import ReceiptController
from app.session_api.record_stock import RecordStockController
from app.session_api.replenishment import ReplenishmentController
from app.session_api.replenishment_config import ReplenishmentConfigController
from app.session_api.replenishment_suggestions import SuggestionController
from app.session_api.reservations import CheckController, ReservationController
from app.session_api.reversals import ReversalController
from app.session_api.settings import SettingsController
from app.session_api.stock_request_acts import StockRequestActController
from app.session_api.stock_request_dashboards import StockRequestDashboardController
from app.session_api.stock_request_products import StockRequestProductController
from app.session_api.stock_requests import StockRequestController
from app.session_api.stocklists import StocklistController
from app.session_api.supplies import SupplyController
from app.session_api.transfer_bins import TransferBinController
from app.session_api.transfers import TransferController
from app.session_api.units import ConversionController, UomController
from app.session_api.webhook_deliveries import WebhookDeliveryController
from app.session_api.webhooks import WebhookController

CONTROLLERS: Sequence[ControllerRouterHandler] = (
    AbcController,
    AdjustmentController,
    AdminInvitationController,
    AdminKeyController,
    AdminRoleController,
    AdminUserController,
    AnalyticsController,
    ApprovalRuleController,
    AreaController,
    AuditController,
    AuthController,
    AvailabilityController,
    BinController,
    BlindFormController,
    CategoryController,
    ChannelController,
    ChannelLocationController,
    ChannelSummaryController,
    CheckController,
    ConversionController,
    CountPlanController,
    CountResolutionController,
    CountReviewController,
    CountTaskController,
    CycleCountController,
    DelegationController,
    DestructionController,
    DocumentController,
    ExpiredController,
    EventsController,
    FieldMappingController,
    ExceptionController,
    HoldController,
    IntegrationInventoryController,
    IntegrationLocationController,
    IntegrationProductController,
    ImportController,
    ImportInventoryController,
    InventoryController,
    InvitationController,
    IssueController,
    JobController,
    LevelController,
    LocationController,
    LotControlController,
    LotController,
    LotCorrectionController,
    LotTraceController,
    MovementController,
    OperationsController,
    OwnSessionController,
    OwnTokenController,
    ProductController,
    PutAwayController,
    ReasonCodeController,
    ReceiptController,
    RecordStockController,
    ReplenishmentConfigController,
    ReplenishmentController,
    ReservationController,
    ReversalController,
    SettingsController,
    SuggestionController,
    StockRequestActController,
    StockRequestController,
    StockRequestDashboardController,
    StockRequestProductController,
    StocklistController,
    SupplyController,
    TransferBinController,
    TransferController,
    TokenController,
    UomController,
    WebhookController,
    WebhookDeliveryController,
)
