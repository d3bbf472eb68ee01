"""Make those parts of an app's state that another kind of limiter makes in another way."""

from __future__ import annotations

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.web.decorators import Declarations
from flask_irl.web.deductions import Deductions
from flask_irl.web.limit_rules import LimitRules
from flask_irl.web.logins import Logins
from flask_irl.web.patterns import ConfiguredRules
from flask_irl.web.questions import Questions
from flask_irl.web.refusal_page import RefusalPage
from flask_irl.web.responses import Responder
from flask_irl.web.routes import RouteTable


class NewParts:
    """Make the parts of an app's state by its options."""

    owner: object
    options: Options
    limiter: Limiter
    _slot: str

    def new_routes(
        self,
        declarations: Declarations,
        configured: ConfiguredRules,
        logins: Logins,
        rules: LimitRules,
    ) -> RouteTable:
        """Make the table of the app's routes."""
        options, owner = self.options, self.owner
        return RouteTable(
            owner,
            options.default_limits,
            declarations,
            configured,
            logins,
            default_limit=rules.default_limit(owner, options.default_limits),
            on_all=rules.on_all_routes(owner, options.application_limits, options.meta_limits),
        )

    def new_questions(self) -> Questions:
        """Make the maker of questions about routes."""
        return Questions(self.limiter, self.limiter.failures.callback_failed)

    def new_responder(self, page: RefusalPage) -> Responder:
        """Make the responder that completes answers."""
        options = self.options
        return Responder(
            headers_enabled=options.headers_enabled,
            ietf=options.ietf_headers,
            epoch=options.reset_format == "epoch",
            failed=self.limiter.failures.swallow,
            page=page.write,
        )

    def new_deductions(self) -> Deductions:
        """Make what counts requests after their answers."""
        return Deductions(self.limiter, self._slot)
