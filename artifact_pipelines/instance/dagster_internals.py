"""All imports of this package from the inside of Dagster, which may move with any release, but `warm_definitions`.

Seen with Dagster 1.13.27. `import dagster` has imported each of these modules already, so naming them costs nothing.
"""

from dagster._check import CheckError as CheckError
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.assets.job.asset_job import JobScopedAssetGraph as JobScopedAssetGraph
from dagster._core.definitions.data_version import NULL_DATA_VERSION as NULL_DATA_VERSION
from dagster._core.definitions.data_version import (
    SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD as SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD,
)
from dagster._core.event_api import PartitionKeyFilter as PartitionKeyFilter
from dagster._core.execution.context.output import RUN_ID_PLACEHOLDER as RUN_ID_PLACEHOLDER
from dagster._core.execution.context.system import PlanOrchestrationContext as PlanOrchestrationContext
from dagster._core.execution.context.system import StepExecutionContext as StepExecutionContext
from dagster._core.execution.plan.inputs import FromMultipleSources as FromMultipleSources
from dagster._core.execution.plan.inputs import StepInput as StepInput
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord as AssetCheckExecutionRecord
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as AssetCheckExecutionRecordStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin as LoadableTargetOrigin
from dagster._serdes import deserialize_value as deserialize_value
from dagster._serdes import serialize_value as serialize_value
from dagster.components.core import decl as decl
from dagster.components.core.component_tree import ComponentTreeException as ComponentTreeException
from dagster.components.core.context import ComponentDeclLoadContext as ComponentDeclLoadContext
from dagster.components.core.defs_module import ComponentFileModel as ComponentFileModel
from dagster.components.core.defs_module import ComponentPostProcessingModel as ComponentPostProcessingModel
from dagster.components.core.defs_module import (
    asset_post_processor_list_from_post_processing_dict as asset_post_processor_list_from_post_processing_dict,
)
from dagster.components.resolved.errors import ResolutionException as ResolutionException
from dagster_shared.error import DagsterUnresolvableSymbolError as DagsterUnresolvableSymbolError
from dagster_shared.record import replace as replace
from dagster_shared.yaml_utils import parse_yamls_with_source_position as parse_yamls_with_source_position
from dagster_shared.yaml_utils.source_position import SourcePositionTree as SourcePositionTree
from dagster_shared.yaml_utils.source_position import ValueAndSourcePositionTree as ValueAndSourcePositionTree
