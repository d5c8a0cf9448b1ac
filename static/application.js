// Registers the controllers and lets the one connection follow what the page shows.
import { Application } from "@hotwired/stimulus"
import * as Turbo from "@hotwired/turbo"
import { connection } from "./socket.js"
import AnswersController from "./controllers/answers_controller.js"
import ApiFormController from "./controllers/api_form_controller.js"
import AutosubmitController from "./controllers/autosubmit_controller.js"
import BreakerController from "./controllers/breaker_controller.js"
import CheckController from "./controllers/check_controller.js"
import CommentController from "./controllers/comment_controller.js"
import ComposerController from "./controllers/composer_controller.js"
import ConnectionController from "./controllers/connection_controller.js"
import CopyController from "./controllers/copy_controller.js"
import DeliveryController from "./controllers/delivery_controller.js"
import DocEditorController from "./controllers/doc_editor_controller.js"
import DocsController from "./controllers/docs_controller.js"
import EditorController from "./controllers/editor_controller.js"
import FilesController from "./controllers/files_controller.js"
import FollowController from "./controllers/follow_controller.js"
import KeysController from "./controllers/keys_controller.js"
import LastController from "./controllers/last_controller.js"
import MenuController from "./controllers/menu_controller.js"
import MuteController from "./controllers/mute_controller.js"
import NeedsController from "./controllers/needs_controller.js"
import NotifyController from "./controllers/notify_controller.js"
import OutboxController from "./controllers/outbox_controller.js"
import OutsideController from "./controllers/outside_controller.js"
import PanesController from "./controllers/panes_controller.js"
import PresenceController from "./controllers/presence_controller.js"
import PromoteController from "./controllers/promote_controller.js"
import ProposalController from "./controllers/proposal_controller.js"
import ProposalsController from "./controllers/proposals_controller.js"
import ReactionsController from "./controllers/reactions_controller.js"
import ReadController from "./controllers/read_controller.js"
import RefreshController from "./controllers/refresh_controller.js"
import RosterController from "./controllers/roster_controller.js"
import SignoutController from "./controllers/signout_controller.js"
import StalenessController from "./controllers/staleness_controller.js"
import StreamController from "./controllers/stream_controller.js"
import SuggestionsController from "./controllers/suggestions_controller.js"
import TaskListController from "./controllers/task_list_controller.js"
import ThemeController from "./controllers/theme_controller.js"
import TimelineController from "./controllers/timeline_controller.js"
import ToastController from "./controllers/toast_controller.js"
import ToolsController from "./controllers/tools_controller.js"
import TypingController from "./controllers/typing_controller.js"
import UnreadController from "./controllers/unread_controller.js"
import UnsentController from "./controllers/unsent_controller.js"
import WaitingController from "./controllers/waiting_controller.js"
import WaitingListController from "./controllers/waiting_list_controller.js"
import WhenController from "./controllers/when_controller.js"

Turbo.config.drive.progressBarDelay = 300

const application = Application.start()
const controllers = {
  answers: AnswersController, "api-form": ApiFormController, autosubmit: AutosubmitController,
  breaker: BreakerController, check: CheckController, comment: CommentController, composer: ComposerController, connection: ConnectionController, copy: CopyController,
  delivery: DeliveryController, "doc-editor": DocEditorController, docs: DocsController, editor: EditorController, files: FilesController, follow: FollowController,
  keys: KeysController, last: LastController, menu: MenuController, mute: MuteController, outbox: OutboxController, outside: OutsideController, panes: PanesController, presence: PresenceController,
  promote: PromoteController,
  reactions: ReactionsController, read: ReadController, refresh: RefreshController, roster: RosterController, signout: SignoutController, staleness: StalenessController, stream: StreamController,
  suggestions: SuggestionsController, "task-list": TaskListController, theme: ThemeController, timeline: TimelineController, toast: ToastController, tools: ToolsController,
  typing: TypingController, unread: UnreadController, unsent: UnsentController,
  needs: NeedsController, notify: NotifyController, proposal: ProposalController, proposals: ProposalsController,
  waiting: WaitingController, "waiting-list": WaitingListController, when: WhenController,
}
for (const [name, controller] of Object.entries(controllers)) application.register(name, controller)

// Who changed a switch by key goes on from there when the page comes back.
let changed = null
document.addEventListener("turbo:submit-start", ({ target }) => {
  changed = target.contains(document.activeElement) ? document.activeElement.id : null
})
document.addEventListener("turbo:load", () => {
  if (changed) document.getElementById(changed)?.focus({ preventScroll: true })
  changed = null
})

// The page is a snapshot at the seqs it names; what happened since comes by the streams.
document.addEventListener("turbo:load", () => {
  document.querySelector(".settings .nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" })
  const streams = document.querySelector('meta[name="streams"]')?.content
  connection.follow(streams ? JSON.parse(streams) : [])
})

connection.addEventListener("signedout", () => {
  if (document.body.dataset.me) Turbo.visit(`/sign-in?next=${encodeURIComponent(location.pathname)}`)
})
connection.addEventListener("refused", () => location.reload())
