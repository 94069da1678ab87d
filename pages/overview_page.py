"""Overview: the cockpit. What changed, what to do next and why, the best run and its gates, and the way of a data set."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.arrivals import import_card, simulate_card
from app.cached import audit
from app.catalogues import known_dataset
from app.cockpit_parts import best_run, show_actions, show_best, show_news, show_way, stored_results
from app.errors import explain
from app.figure_style import PLOT_CONFIG
from app.language import PageText, chosen_language, language_choice
from app.next_actions import next_actions
from app.page_parts import heading
from app.pickers import pick_dataset
from app.places import OVERVIEW
from app.readiness_parts import history_figure, readiness_of, records_of
from app.run_list import runs
from app.session import data_root
from app.visits import news
from app.way import way_of
from mvla_core.audit.plan import make_plan
from mvla_core.audit.plan_evidence import plan_evidence
from mvla_core.audit.targets import load_targets
from mvla_core.episodes.dataset import named_dataset
from mvla_core.errors import MvlaError

# Episodes. A larger data set is audited on its own page, not while the overview is drawn.
LARGEST_AUDITED_HERE = 500

text = PageText(chosen_language())
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top"):
    with st.container(width="stretch"):
        heading(replace(OVERVIEW, title=text.say("overview.title"), line=text.say("overview.line")))
    language_choice()
dataset = pick_dataset()
if dataset is None:
    st.write(text.say("overview.begin"))
    left, right = st.columns(2)
    with left:
        simulate_card()
    with right:
        import_card()
    st.stop()

root = data_root()
catalogue = known_dataset(root, dataset).catalogue
here = [run for run in runs() if run.dataset == dataset]
small = 0 < len(catalogue.episodes) <= LARGEST_AUDITED_HERE
result = audit(dataset) if small else None
steps = way_of(root, catalogue, None if result is None else result.findings, here, text)
best = best_run(here)
results = {} if best is None else stored_results(best.run_id)
readiness = None
try:
    readiness = readiness_of(best.run_id) if best is not None else None
except MvlaError as error:
    # The run or the user's gates are damaged; the rest of the project is still there to be seen.
    explain(error)

show_news(news(root, dataset, len(catalogue.episodes), here), text)
plan_item = None
if result is not None:
    plan = make_plan(result, load_targets(root, named_dataset(root, dataset)), plan_evidence(result))
    plan_item = plan.items[0] if plan.items else None
findings = () if result is None else result.findings
show_actions(next_actions(dataset, steps, findings, results.get("verdict"), readiness, plan_item, text), text)
if best is not None:
    show_best(best, results, readiness, text)
show_way(steps, text)

records = records_of([root.run(run.run_id) for run in here if run.has_adapter])
if records:
    st.subheader(text.say("overview.history"), anchor=False)
    with st.container(border=True):
        st.plotly_chart(
            history_figure(records, text), key="history", config=PLOT_CONFIG, alt=text.say("overview.history")
        )

with st.expander(text.say("overview.add"), icon=":material/add:"):
    left, right = st.columns(2)
    with left:
        simulate_card()
    with right:
        import_card()
