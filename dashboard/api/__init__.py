"""The JSON API, `/api/v1`: for programs, which show a token and get JSON, errors included."""

from __future__ import annotations

from flask import Blueprint

from . import backfills, jobs, reports, runs, scripts, triggers

PREFIX = "/api/v1"

api = Blueprint("api", __name__, url_prefix=PREFIX)
api.add_url_rule("/jobs", "jobs", jobs.index, methods=["GET"])
api.add_url_rule("/jobs/<id:job_id>", "job", jobs.show, methods=["GET"])
api.add_url_rule("/jobs/<id:job_id>/script", "script", scripts.show, methods=["GET"])
api.add_url_rule("/jobs/<id:job_id>/script", "save_script", scripts.save, methods=["PUT"])
api.add_url_rule("/jobs/<id:job_id>/triggers", "trigger", triggers.create, methods=["POST"])
api.add_url_rule("/jobs/<id:job_id>/backfills", "backfill", backfills.create, methods=["POST"])
api.add_url_rule("/triggers", "triggers", triggers.create_many, methods=["POST"])
api.add_url_rule("/runs/<id:log_id>", "run", runs.show, methods=["GET"])
api.add_url_rule("/reports", "reports", reports.show, methods=["GET"])
api.add_url_rule("/reports/jobs", "reports_by_job", reports.jobs, methods=["GET"])
