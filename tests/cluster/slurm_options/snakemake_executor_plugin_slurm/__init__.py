"""The options of the SLURM plugin that the profiles use, for dry runs where the plugin is not installed."""

from dataclasses import dataclass, field

from snakemake_interface_executor_plugins.executors.base import AbstractExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False, pass_envvar_declarations_to_cmd=True
)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """What profiles/slurm*/config.yaml says."""

    init_seconds_before_status_checks: int | None = field(default=40, metadata={"help": "", "type": int})
    jobname_prefix: str | None = field(default="", metadata={"help": "", "type": str})
    status_command: str | None = field(default=None, metadata={"help": "", "type": str})


class Executor(AbstractExecutor):
    """Runs nothing."""

    def run_job(self, job):
        raise NotImplementedError

    def run_jobs(self, jobs):
        raise NotImplementedError

    def cancel(self):
        """Nothing runs."""

    def shutdown(self):
        """Nothing runs."""

    def handle_job_success(self, job):
        raise NotImplementedError

    def handle_job_error(self, job):
        raise NotImplementedError
