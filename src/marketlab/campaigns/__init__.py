"""Plans, runs, resumes, counts and reports experiments."""

from marketlab.campaigns._campaign import CampaignRunner, CampaignState
from marketlab.campaigns._campaign_config import (
    CampaignConfig,
    DataConfig,
    Overrides,
    StrategiesConfig,
)
from marketlab.campaigns._canaries import CanaryResult, run_canaries
from marketlab.campaigns._collect import campaign_results
from marketlab.campaigns._compare import ComparedPair, ComparedRun, RunComparison, compare_runs
from marketlab.campaigns._dead_parameters import dead_parameters
from marketlab.campaigns._diagnoses import Diagnosis, diagnose_campaign
from marketlab.campaigns._executor import Executor
from marketlab.campaigns._findings import campaign_answer, statements
from marketlab.campaigns._importer import import_list_form
from marketlab.campaigns._initialise import initialise_workspace
from marketlab.campaigns._ledger import Ledger, NewOperation
from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._operations import operation_summary, operation_view
from marketlab.campaigns._plan import CampaignPlan, PlanRow, plan_campaign, plan_experiment
from marketlab.campaigns._quick import quick_verdict
from marketlab.campaigns._recipes import load_campaign, recipe_names, shipped_strategy
from marketlab.campaigns._report import MadeReport, make_report, write_report
from marketlab.campaigns._resolve import Experiment, ensure_bars, resolve_experiment
from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._results_files import result_records, results_csv
from marketlab.campaigns._results_table import results_table
from marketlab.campaigns._run_facts import run_facts
from marketlab.campaigns._seal import open_seal, record_look
from marketlab.campaigns._selfcheck import CheckResult, SelfcheckReport, selfcheck
from marketlab.campaigns._service import OperationService
from marketlab.campaigns._start_request import StartRequest
from marketlab.campaigns._strategy import StrategyConfig, load_strategy, parse_strategy
from marketlab.campaigns._tracker import write_tracker
from marketlab.campaigns._validate import strategy_features, validate_strategy_file
from marketlab.campaigns._verify import VerifyReport, verify_campaign, verify_runs
from marketlab.campaigns._workspace import Workspace

__all__ = [
    "CampaignConfig",
    "CampaignPlan",
    "CampaignResults",
    "CampaignRunner",
    "CampaignState",
    "CanaryResult",
    "CheckResult",
    "ComparedPair",
    "ComparedRun",
    "DataConfig",
    "Diagnosis",
    "Executor",
    "Experiment",
    "Ledger",
    "MadeReport",
    "NewOperation",
    "NullConfig",
    "OperationService",
    "Overrides",
    "PlanRow",
    "RunComparison",
    "RunResult",
    "SelfcheckReport",
    "StartRequest",
    "StrategiesConfig",
    "StrategyConfig",
    "VerifyReport",
    "Workspace",
    "campaign_answer",
    "campaign_results",
    "compare_runs",
    "dead_parameters",
    "diagnose_campaign",
    "ensure_bars",
    "import_list_form",
    "initialise_workspace",
    "load_campaign",
    "load_strategy",
    "make_report",
    "open_seal",
    "operation_summary",
    "operation_view",
    "parse_strategy",
    "plan_campaign",
    "plan_experiment",
    "quick_verdict",
    "recipe_names",
    "record_look",
    "resolve_experiment",
    "result_records",
    "results_csv",
    "results_table",
    "run_canaries",
    "run_facts",
    "selfcheck",
    "shipped_strategy",
    "statements",
    "strategy_features",
    "validate_strategy_file",
    "verify_campaign",
    "verify_runs",
    "write_report",
    "write_tracker",
]
