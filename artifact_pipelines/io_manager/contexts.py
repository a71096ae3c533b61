"""What Dagster's contexts say: the name of an asset, and the step that asks."""

import dagster as dg


def asset_of(context: dg.OutputContext | dg.InputContext) -> str:
    """Return the asset key as text, its parts joined by `/`; for the output of an op, where it came from."""
    if context.has_asset_key:
        return context.asset_key.to_user_string()
    output = context if isinstance(context, dg.OutputContext) else context.upstream_output
    assert output is not None  # an input without an asset key comes from an output
    return "/".join(output.get_identifier())


def is_check_of(context: dg.InputContext) -> bool:
    """Tell whether who loads an asset is a step that does nothing but check it."""
    if step_of(context) is None or not context.has_asset_key:
        return False
    step, layer = context.step_context, context.step_context.job_def.asset_layer
    keys = [layer.get_asset_check_key_for_node_output(step.node_handle, out.name) for out in step.step.step_outputs]
    return any(key and key.asset_key == context.asset_key for key in keys) and all(keys)


def step_of(context: dg.OutputContext | dg.InputContext) -> tuple[str, str, int] | None:
    """Return run, step and attempt, or None outside of a run: a step that is tried again loads its inputs again."""
    try:
        step = context.step_context
    except dg.DagsterInvariantViolationError:
        return None
    return step.run_id, step.step.key, step.previous_attempt_count
