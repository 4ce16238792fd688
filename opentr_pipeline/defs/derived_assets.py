"""The assets that are made from transcripts: one maker for all of them."""

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    BackfillPolicy,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    asset,
)

from opentr_pipeline.defs import metadata
from opentr_pipeline.defs.descriptions import (
    ARCHIVE_REPORT,
    PAGES,
    SEARCH_INDEX,
    SUBTITLES,
    described,
)
from opentr_pipeline.defs.failures import refused, some_of
from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.defs.handed_on import HANDED_ON
from opentr_pipeline.defs.metadata import Metadata
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.page_facts import page_facts
from opentr_pipeline.errors import OpentrError, StoreError
from opentr_pipeline.exports.tree import SUBTITLE_FORMATS, Export, Exported
from opentr_pipeline.pages.lists import HOME_PAGE, REPORT_PAGE, list_page
from opentr_pipeline.pages.pages import Pages, Written
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.report import page as report
from opentr_pipeline.report.facts import report_facts
from opentr_pipeline.search.index import SearchIndex
from opentr_pipeline.search.site_index import SiteIndex
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.page import PageSettings
from opentr_pipeline.site.beside import pages_url
from opentr_pipeline.transcripts.derived_files import unwritten_sentence
from opentr_pipeline.transcripts.layout import EXPORTS, SEARCH


class Making(NamedTuple):
    """How something is made from transcripts.

    Attributes:
        of_partition: makes a partition, and gives what the page is to show of it.
        last_act: called when all partitions of a run have been tried; gives what its log is to say.
    """

    of_partition: Callable[[str], Metadata]
    last_act: Callable[[], str | None] = lambda: None


def _subtitles(setup: Setup) -> Making:
    store = setup.store
    export = Export(store, store.root / EXPORTS, SUBTITLE_FORMATS, setup.settings)

    where = {"path": MetadataValue.path(str(export.root))}

    def written(key: str) -> Metadata:
        return {**_figures(export.write(key), export.root), **where}

    return Making(written, lambda: store.elsewhere.send(EXPORTS))


def _pages(setup: Setup) -> Making:
    made = Pages(setup.settings, pages_url(setup.settings))
    index = SiteIndex(setup.store, made.root)
    link = MetadataValue.url if made.is_served else MetadataValue.path
    keys: list[str] = []

    def written(key: str) -> Metadata:
        keys.append(key)
        figures = _figures(made.write(key), made.root)
        index.write(key)
        return {
            **figures,
            "page": link(made.address(list_page(key, 0))),
            "home": link(made.address(HOME_PAGE)),
        }

    def last() -> str:
        problems: dict[str, None] = {}
        if setup.workspace.output_bucket:  # lists and index there name what other hosts publish
            setup.store.elsewhere.follow_all()
            for key in sorted(set(made.partition_keys()).difference(keys)):
                try:
                    written(key)
                except StoreError as error:
                    problems[str(error)] = None
        index.write_volumes()
        made.write_home()
        made.send()
        looked = made.write_posters(keys)
        if looked.unwritten:
            problems[unwritten_sentence(looked.unwritten, made.root)] = None
        _raise_together(problems)
        return looked.given_up_sentence

    return Making(written, last)


def _figures(done: Exported | Written, root: Path) -> Metadata:
    """What the page shows of written files.

    Raises:
        StoreError: some could not be written.
    """
    if done.unwritten:
        raise StoreError(unwritten_sentence(done.unwritten, root))
    return {name: value for name, value in vars(done).items() if not isinstance(value, list)}


def _search_index(setup: Setup) -> Making:
    index = SearchIndex(setup.store)

    def indexed(key: str) -> Metadata:
        refreshed = index.refresh([key], wait=True)
        _raise_together(refreshed.problems)
        num_segments = index.num_segments(key)
        return {
            "num_segments": num_segments,
            "dagster/partition_row_count": num_segments,
            "size_bytes": index.size_bytes,
            "wall_s": round(refreshed.wall_s, 3),
        }

    def last() -> None:
        problems: list[str] = []
        if setup.workspace.output_bucket:  # what is sent has what other hosts publish as well
            setup.store.elsewhere.follow_all()
            problems = index.refresh(wait=True).problems
        setup.store.elsewhere.send(SEARCH)
        _raise_together(problems)

    return Making(indexed, last)


def _raise_together(problems: Collection[str]) -> None:
    """Raise them, if there are any.

    Raises:
        StoreError: with all sentences.
    """
    if problems:
        raise StoreError(" ".join(problems))


# Their descriptions and how they are made, for each partition.
BY_PARTITION: dict[str, tuple[str, Callable[[Setup], Making]]] = {
    "subtitles": (SUBTITLES, _subtitles),
    "pages": (PAGES, _pages),
    "search_index": (SEARCH_INDEX, _search_index),
}


def derived_assets(settings: Settings, names: Names) -> list[AssetsDefinition]:
    """All of them; what has partitions follows transcripts by itself, the report once an hour."""
    return [
        *(_by_partition(name, settings, names) for name in BY_PARTITION),
        _archive_report(settings, names),
    ]


def _derived(name: str, settings: PageSettings, names: Names) -> dict[str, Any]:
    """What the page shows of each of them."""
    return {
        "deps": [names.key("transcripts"), names.key("speakers")],
        "io_manager_key": names.name(HANDED_ON),
        "freshness_policy": FreshnessPolicy.time_window(timedelta(days=settings.fresh_days)),
        **page_facts(name, settings, names),
    }


def _by_partition(name: str, settings: Settings, names: Names) -> AssetsDefinition:
    description, making = BY_PARTITION[name]

    def derived(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        die_with_the_run()
        yield from each_partition(context, *making(Setup(settings)))

    declared: AssetsDefinition = asset(
        partitions_def=names.partitions,
        backfill_policy=BackfillPolicy.single_run(),
        description=described(description),
        **_derived(name, settings, names),
    )(derived)
    return declared


def _archive_report(settings: Settings, names: Names) -> AssetsDefinition:
    """The one that has no partitions."""

    def archive_report() -> MaterializeResult[Any]:
        die_with_the_run()
        setup, pages = Setup(settings), Pages(settings, pages_url(settings))
        try:
            facts = report_facts(setup.workspace, setup.partitioning)
            report.write(facts, pages)
            pages.send()
        except OpentrError as error:
            raise refused(error) from None
        link = MetadataValue.url if pages.is_served else MetadataValue.path
        page = link(pages.address(REPORT_PAGE))
        return MaterializeResult(metadata={"page": page, **metadata.of_report(facts)})

    declared: AssetsDefinition = asset(
        description=described(ARCHIVE_REPORT), **_derived("archive_report", settings, names)
    )(archive_report)
    return declared


def each_partition(
    context: AssetExecutionContext,
    made: Callable[[str], Metadata],
    last_act: Callable[[], str | None] = lambda: None,
) -> Iterator[MaterializeResult[Any]]:
    """Make the partitions of a run one by one; one that cannot be made costs the others nothing.

    Where some cannot, the others are materialised all the same: their events are logged one by
    one, no result is yielded (it would mark every partition), and the step fails.

    Args:
        context: of the step.
        made: makes a partition, and gives what the page is to show of it.
        last_act: called when all of them have been tried; gives what the log is to say.

    Raises:
        Failure: something could not be made; never tried again, it would fail again.
    """
    facts: dict[str, Metadata] = {}
    sentences: dict[str, None] = {}  # a full disk would say the same of each
    for key in context.partition_keys:
        try:
            facts[key] = made(key)
        except OpentrError as error:
            sentences[str(error)] = None
    try:
        if said := last_act():
            context.log.warning(said)
    except OpentrError as error:
        sentences[str(error)] = None
    for key, values in facts.items():
        if sentences:
            one = AssetMaterialization(context.asset_key, partition=key, metadata=values)
            context.log_event(one)
        else:
            context.add_asset_metadata(values, partition_key=key)
    if sentences:
        raise _incomplete(len(context.partition_keys) - len(facts), list(sentences))
    yield MaterializeResult()


def _incomplete(num_missing: int, sentences: list[str]) -> Failure:
    said = f"{num_missing} of the run's partitions could not be made. " if num_missing else ""
    return Failure(said + some_of(sentences, " "), allow_retries=False)
