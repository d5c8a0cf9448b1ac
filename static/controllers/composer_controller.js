import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { connection } from "../socket.js"
import { debounce, isMeant, sibling, somethingOpen, typingIn } from "../helpers/dom.js"
import { runCommand } from "../helpers/commands.js"
import { Draft } from "../helpers/draft.js"
import { isNobody, mentions } from "../helpers/mentions.js"
import { agent, nameOf } from "../helpers/roster.js"

const TYPING_EVERY_MS = 3000
const PAUSE_MS = 300
const HINTS = {
  live: ["", "Live · Enter sends"],
  backup: ["warn", "Backup · Will be delivered when agent comes online"],
  offline: ["bad", "Offline · Kept in this browser until it can be sent"],
}

// Where a message is written: draft, reply, keys, and what will happen to it.
export default class extends Controller {
  static targets = ["text", "send", "hint", "reply", "error"]
  static values = { thread: String, agent: String } // the agent of a conversation, which nobody else reads

  #draft
  #replyTo = null
  #typedAt = 0
  #awaitsFiles = false
  #paused
  #saveSoon = debounce(() => this.#save(), 200)

  connect() {
    window.addEventListener("mode", this.#mode)
    window.addEventListener("pagehide", this.#leave)
    this.#restore()
    this.#mode()
  }

  disconnect() {
    window.removeEventListener("mode", this.#mode)
    window.removeEventListener("pagehide", this.#leave)
    this.#leave()
  }

  typed() {
    this.#awaitsFiles = false
    this.#enable()
    this.#saveSoon()
    this.#mode()
    this.errorTarget.hidden = true
    if (this.agentValue || !this.textTarget.value || Date.now() - this.#typedAt < TYPING_EVERY_MS) return
    this.#typedAt = Date.now()
    connection.emit("typing", { thread_id: this.threadValue })
  }

  // On a phone the bar below makes room for the text, and comes back when the tap that ended it has found its target.
  begun() {
    clearTimeout(this.#paused)
    document.body.dataset.writing = ""
  }

  paused() { this.#paused = setTimeout(() => delete document.body.dataset.writing, PAUSE_MS) }

  key(event) {
    if (event.isComposing || event.defaultPrevented || this.#choosing) return
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault()
      this.element.requestSubmit()
    } else if (event.key === "ArrowUp" && !this.textTarget.value) {
      event.preventDefault()
      this.dispatch("editlast", { prefix: "room" })
    } else if (event.key === "Escape" && this.#replyTo) {
      event.preventDefault()
      this.unreply()
    }
  }

  focusKey(event) {
    if (event.key !== "c" || event.metaKey || event.ctrlKey || event.altKey || typingIn(event.target) || somethingOpen() || !isMeant(this.element)) return
    event.preventDefault()
    this.textTarget.focus()
  }

  submit(event) {
    event.preventDefault()
    this.#awaitsFiles = false
    const content = this.textTarget.value.trim()
    if (!content && !this.#files.any) return
    const command = runCommand(content, { element: this.element, visit })
    if (command.refused) return this.#refuse(command.refused)
    if (!command.done && !this.#files.ready) return this.#awaitFiles()
    if (!command.done) this.dispatch("send", { prefix: "room", detail: { content, replyTo: this.#replyTo?.id, files: this.#files.take() } })
    this.textTarget.value = ""
    this.#typedAt = 0
    this.unreply()
    this.#enable()
    this.#save()
  }

  // What was sent while files were on their way goes when the last of them is there.
  filesChanged() {
    this.#enable()
    if (!this.#files.failed) this.errorTarget.hidden = true
    if (!this.#awaitsFiles) return
    if (this.#files.ready || this.#files.failed) {
      this.#awaitsFiles = false
      this.element.requestSubmit()
    }
    this.#mode()
  }

  insert({ params }) { this.#write(params.insert) }

  reply({ detail: { id, thread, author, text } }) {
    if (thread !== this.threadValue) return
    this.#replyTo = { id, author, text }
    this.#showReply()
    this.#save()
    this.textTarget.focus()
  }

  unreply() {
    this.#replyTo = null
    this.#showReply()
    this.#save()
  }

  // While suggestions are open, Enter and the arrows are theirs.
  get #choosing() { return Boolean(this.element.querySelector("text-expander > [role=listbox]")) }

  #write(text) {
    const field = this.textTarget
    const before = field.value.slice(0, field.selectionStart)
    const space = before && !/\s$/.test(before) && text !== "/" ? " " : ""
    field.setRangeText(space + text, field.selectionStart, field.selectionEnd, "end")
    field.focus()
    field.dispatchEvent(new InputEvent("input", { bubbles: true }))
  }

  get #files() { return sibling(this, "files") }

  #awaitFiles() {
    const { failed } = this.#files
    if (failed) return this.#refuse(`${failed.name} was not uploaded: ${failed.state === "failed" ? "try it again, or remove it" : "remove it"}.`)
    this.#awaitsFiles = true
    this.#mode()
  }

  #refuse(words) {
    this.errorTarget.textContent = words
    this.errorTarget.hidden = false
  }

  #enable() { this.sendTarget.disabled = !this.textTarget.value.trim() && !this.#files?.any }

  #showReply() {
    this.replyTarget.hidden = !this.#replyTo
    if (!this.#replyTo) return
    const [name, text] = this.replyTarget.querySelectorAll(".quote > *")
    name.textContent = nameOf(this.#replyTo.author)
    text.textContent = this.#replyTo.text
  }

  // What will happen to the message: by the connection, or by whom it calls.
  #mode = () => {
    const mode = document.documentElement.dataset.mode ?? "live"
    const [tone, words] = this.#awaitsFiles ? ["info", "Sent when all files are uploaded"] : (mode === "live" && this.#warning()) || HINTS[mode]
    const hint = this.hintTarget
    if (tone) hint.dataset.tone = tone
    else delete hint.dataset.tone
    hint.querySelector("span").textContent = words
  }

  #warning() {
    const named = this.agentValue ? [{ name: this.agentValue }] : mentions(this.textTarget.value)
    const away = named.map(({ name }) => agent(name)).find((one) => one?.status === "offline")
    if (away) return ["warn", `Will be delivered when ${away.name} comes online`]
    const nobody = !this.agentValue && named.find(isNobody)
    return nobody && ["warn", `Nobody here is called @${nobody.name}`]
  }

  #leave = () => {
    this.#saveSoon.cancel()
    this.#save()
  }

  #save() {
    const text = this.textTarget.value
    this.#draft.keep(text || this.#replyTo ? { text, replyTo: this.#replyTo } : null)
  }

  #restore() {
    this.#draft = new Draft(this.threadValue)
    const { text, replyTo } = this.#draft.read()
    this.textTarget.value = text ?? ""
    this.#replyTo = replyTo ?? null
    this.#showReply()
    this.#enable()
  }
}
