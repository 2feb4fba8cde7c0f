# The folder of the project's files, which is put on Python's path. Snakemake may run in an environment without the
# package: the rules import only its parts that need nothing else than Snakemake itself needs.

import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

STATE = Path(".snakemake/ssr_mmseg")  # what the workflow keeps in the working folder


def project_folder() -> Path:
    """Return the folder that this file belongs to: a checkout, an installed package, or a copy of a repository.

    A workflow that names a repository in its `module` has only the files that Snakemake fetched one by one: a copy of
    the whole commit is made in the working folder.
    """
    rules = workflow.current_basedir
    if getattr(rules, "is_local", True) or not hasattr(rules, "ref"):
        return Path(str(rules)).resolve().parent.parent
    repository = rules.hosted_repo.repo if hasattr(rules, "hosted_repo") else rules.repo
    copy = STATE / "repository" / repository.git.rev_parse(f"{rules.ref}^{{commit}}")
    if not copy.is_dir():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copy.parent) as folder, tempfile.TemporaryFile() as archive:
            repository.archive(archive, treeish=copy.name)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as opened:
                opened.extractall(f"{folder}/files", filter="data")
            try:
                os.rename(f"{folder}/files", copy)
            except OSError:  # another process was faster
                if not copy.is_dir():
                    raise
    return copy.resolve()


def python_path() -> Path:
    """Return the folder that gives Python this package and nothing else that is next to it.

    Next to an installed package are others, which may not work in the environment of a job, or hide modules of Python
    itself; next to a checkout's may be anything.
    """
    package = PROJECT / "ssr_mmseg" if (PROJECT / "ssr_mmseg").is_dir() else PROJECT.parent
    folder = STATE / "python"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "ssr_mmseg"
    if link.resolve() != package:
        if not link.is_symlink() and link.is_dir():
            shutil.rmtree(link)  # a copy of the working folder that followed the link
        temporary = folder / f"{os.uname().nodename}-{os.getpid()}"
        temporary.symlink_to(package)
        os.replace(temporary, link)
    return folder.resolve()


PROJECT = project_folder()
sys.path.insert(0, str(python_path()))

if workflow.modifier.path_modifier.replace_prefix("results/table.csv", None) != "results/table.csv":
    sys.exit(
        "ssr-mmseg: a module of this workflow can have no prefix, because the stages write below results/; "
        "set the key `name` of its config instead"
    )
if Path.cwd() == PROJECT / "workflow":
    sys.exit("ssr-mmseg: this is the folder of the rules; run snakemake in the folder that contains workflow/")
