import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { connection } from "../socket.js"
import { Offline, reason, request } from "../helpers/api.js"
import { debounce, parse, sentence, toast } from "../helpers/dom.js"
import { Draft } from "../helpers/draft.js"

const WAITS = "It waits until the executor is back, and is written then. You can leave this page; the list of documents shows what became of it."
const UNSAVED = "This is your text, which was not saved yet. Cancel drops it."

// Writing a document. What was typed stays, whoever else writes meanwhile, and nothing is written over unseen.
export default class extends Controller {
  static targets = ["text", "save", "error", "state", "conflict", "who", "difference"]
  static values = { url: String, page: String, agent: String, type: String, base: String, typed: Boolean }

  #before // what the text began with
  #asked = null // the request that is on its way
  #ended = new Map() // requests of which the end was told, perhaps before our own answer came
  #theirs = null
  #draft
  #keepSoon = debounce(() => this.#keepDraft(), 200)

  connect() {
    this.#before = this.typedValue ? null : this.textTarget.value
    this.#draft = new Draft(this.urlValue)
    connection.addEventListener("changes", this.#changes)
    connection.addEventListener("reset", this.#reset)
    window.addEventListener("pagehide", this.#leave)
    if (this.typedValue) this.#compare()
    else this.#restore()
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    connection.removeEventListener("reset", this.#reset)
    window.removeEventListener("pagehide", this.#leave)
    this.#leave()
  }

  typed() { this.#keepSoon() }

  drop() { this.#before = this.textTarget.value }

  async save(event) {
    event.preventDefault()
    if (this.saveTarget.disabled) return
    this.#busy("Saving…")
    const answer = await this.#ask("PUT", this.urlValue, { content: this.textTarget.value, base_digest: this.baseValue || null })
    if (answer?.ok) return this.#wait(answer.data)
    this.#idle()
    if (answer?.status === 409 && answer.data.row) this.#compare()
    else if (answer) this.#say(reason(answer))
  }

  // My text, as a change of what they wrote: from now on that is what it is made from.
  keep() {
    this.baseValue = this.#theirs.digest
    this.#before = this.#theirs.content
    this.#settled()
  }

  take() {
    this.textTarget.value = this.#theirs.content
    this.keep()
  }

  // What was taken stands in the request, and is no draft any more.
  #wait({ mode, request_id: id }) {
    this.#asked = id
    this.#keepDraft()
    if (mode === "backup") this.#state(WAITS)
    if (this.#ended.has(id)) this.#finish(this.#ended.get(id))
  }

  #changes = ({ detail: { items } }) => {
    for (const { table, id, row } of items) {
      if (table === "executor_requests" && ["processed", "failed"].includes(row?.status)) this.#ended.set(id, row)
    }
    if (this.#ended.has(this.#asked)) return this.#finish(this.#ended.get(this.#asked))
    const ours = ({ table, row }) => table === "brain_docs" && row?.agent_key === this.agentValue && row.doc_type === this.typeValue
    if (!this.saveTarget.disabled && items.some((item) => ours(item) && item.row.digest !== this.baseValue)) this.#overtaken()
  }

  // What was told meanwhile is lost: look at the document itself.
  #reset = async () => {
    const answer = await this.#ask("GET", this.urlValue)
    if (!answer?.ok || answer.data.digest === this.baseValue) return
    if (this.#asked && answer.data.content === this.textTarget.value) this.#finish({ status: "processed" })
    else this.#overtaken()
  }

  #finish({ status, result }) {
    this.#asked = null
    this.#idle()
    if (status === "processed") {
      this.drop()
      toast("Saved")
      return visit(this.pageValue)
    }
    this.#say(sentence(result?.reason ?? "It was not written"))
    this.#overtaken()
  }

  // Who has typed nothing sees the new text at once; else both are shown, and a person chooses.
  async #overtaken() {
    if (this.textTarget.value !== this.#before) return this.#compare()
    const answer = await this.#ask("GET", this.urlValue)
    if (!answer?.ok || this.textTarget.value !== this.#before) return
    this.#theirs = answer.data
    this.take()
    this.#state(`This is version ${answer.data.version}, which somebody wrote just now.`)
  }

  async #compare() {
    const answer = await this.#ask("POST", `${this.urlValue}/comparison`, { content: this.textTarget.value })
    if (!answer?.ok) return
    if (answer.data.digest === this.baseValue) return // theirs was not written: ours stands on what is there
    this.#theirs = answer.data
    this.whoTarget.textContent = `${answer.data.changed_by}.`
    this.differenceTarget.replaceChildren(parse(answer.data.html))
    this.saveTarget.disabled = true
    this.conflictTarget.hidden = false
    this.conflictTarget.focus()
  }

  // What was typed here before and not saved; somebody may have written since.
  #restore() {
    const { text, base } = this.#draft.read()
    if (text === undefined || text === this.#before) return
    this.textTarget.value = text
    this.#state(UNSAVED)
    if (base === this.baseValue) return
    this.baseValue = base
    this.#compare()
  }

  #leave = () => {
    this.#keepSoon.cancel()
    this.#keepDraft()
  }

  #keepDraft() {
    const text = this.textTarget.value
    this.#draft.keep(this.#asked || text === this.#before ? null : { text, base: this.baseValue })
  }

  #settled() {
    this.conflictTarget.hidden = true
    this.errorTarget.hidden = true
    this.#idle()
    this.textTarget.focus()
  }

  #busy(words) {
    this.saveTarget.disabled = true
    this.errorTarget.hidden = true
    this.#state(words)
  }

  #idle() {
    this.saveTarget.disabled = false
    this.#state("")
  }

  #state(words) { this.stateTarget.textContent = words }

  #say(words) {
    this.errorTarget.textContent = words
    this.errorTarget.hidden = false
  }

  async #ask(method, url, body) {
    try {
      return await request(method, url, { body })
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      this.#idle()
      this.#say("The server does not answer. Your text is still here.")
      return null
    }
  }
}
