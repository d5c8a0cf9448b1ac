import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { Offline, request } from "../helpers/api.js"
import { sentence } from "../helpers/dom.js"
import { Draft } from "../helpers/draft.js"
import { fileSize, Upload } from "../helpers/upload.js"

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"]

// The files of a message that is being written: chosen, pasted or dropped, and uploaded at once.
export default class extends Controller {
  static targets = ["input", "list", "template"]
  static values = { thread: String, most: Number, largest: Number }

  #uploads = []
  #draft
  #room
  #wasReached

  connect() {
    this.#room = this.element.closest(".room")
    this.#wasReached = connection.reached
    this.#room.addEventListener("dragover", this.#over)
    this.#room.addEventListener("dragleave", this.#out)
    this.#room.addEventListener("drop", this.#dropped)
    connection.addEventListener("state", this.#reached)
    window.addEventListener("beforeunload", this.#leaving)
    this.#draft = new Draft(`${this.threadValue}:files`)
    this.put(this.#draft.read().files ?? [])
  }

  disconnect() {
    this.#room.removeEventListener("dragover", this.#over)
    this.#room.removeEventListener("dragleave", this.#out)
    this.#room.removeEventListener("drop", this.#dropped)
    connection.removeEventListener("state", this.#reached)
    window.removeEventListener("beforeunload", this.#leaving)
    for (const upload of [...this.#uploads]) {
      upload.cancel()
      this.#drop(upload)
    }
  }

  get any() { return this.#uploads.length > 0 }

  get ready() { return this.#uploads.every(({ state }) => state === "done") }

  get failed() { return this.#uploads.find(({ state }) => state === "failed" || state === "refused") }

  // What goes with the message that is sent now.
  take() {
    const files = this.#uploads.map(({ said }) => said)
    for (const upload of [...this.#uploads]) this.#drop(upload)
    this.#changed()
    return files
  }

  // They come back with a message that was refused, and on the next page.
  put(files) {
    for (const said of files) {
      const reason = this.#refusal(said)
      this.#show({ ...said, said, sent: true, state: reason ? "refused" : "done", reason, progress: 1, cancel() {} })
    }
  }

  choose() { this.inputTarget.click() }

  chosen() {
    this.#add(this.inputTarget.files)
    this.inputTarget.value = ""
  }

  // What is copied from a table or a text brings a picture of itself along; then the words are meant.
  pasted(event) {
    const { files, types } = event.clipboardData
    if (!files.length || (types.includes("text/plain") && types.includes("text/html"))) return
    event.preventDefault()
    this.#add(files)
  }

  // The button goes with the failure, so the focus goes elsewhere.
  retry({ currentTarget }) {
    this.#of(currentTarget).retry()
    this.element.querySelector("textarea").focus()
  }

  async remove({ currentTarget }) {
    const upload = this.#of(currentTarget)
    upload.cancel()
    this.#drop(upload)
    this.#changed()
    this.element.querySelector("textarea").focus()
    try {
      if (upload.sent) await request("DELETE", `/api/attachments/${upload.id}`)
    } catch (error) {
      if (!(error instanceof Offline)) throw error // the server removes it by itself, later
    }
  }

  #add(files) {
    for (const file of files) {
      const upload = new Upload(file, {
        thread: this.threadValue, tell: (changed) => this.#say(changed), reached: () => connection.reached,
      })
      const reason = this.#refusal(file)
      this.#show(upload, file)
      if (reason) upload.refuse(reason)
      else upload.send()
    }
    this.element.querySelector("textarea").focus()
  }

  // Why one more is not taken, which no other try changes.
  #refusal({ size }) {
    const taken = this.#uploads.filter(({ state }) => state !== "refused")
    if (taken.length >= this.mostValue) return `A message takes ${this.mostValue} files`
    return size > this.largestValue ? `It is larger than ${fileSize(this.largestValue)}` : ""
  }

  #show(upload, file) {
    const line = this.templateTarget.content.firstElementChild.cloneNode(true)
    line.dataset.upload = upload.id
    line.querySelector(".upload__name").textContent = upload.name
    line.querySelector(".num").textContent = fileSize(upload.size)
    for (const button of line.querySelectorAll("button")) button.ariaLabel += ` ${upload.name}`
    if (IMAGES.includes(file?.type)) line.prepend(Object.assign(new Image(), { src: URL.createObjectURL(file), alt: "" }))
    this.#uploads.push(upload)
    this.listTarget.append(line)
    this.#say(upload)
  }

  #drop(upload) {
    this.#uploads = this.#uploads.filter((one) => one !== upload)
    const line = this.#line(upload)
    URL.revokeObjectURL(line.querySelector("img")?.src)
    line.remove()
  }

  #say(upload) {
    const line = this.#line(upload)
    if (!line) return
    const { state, progress, reason } = upload
    line.dataset.state = state
    line.querySelector("progress").value = progress
    const words = { sending: "Uploading…", waiting: "Needs a connection", done: "Uploaded" }[state] ?? sentence(reason)
    const said = line.querySelector("[role=status]")
    said.classList.toggle("sr-only", state === "done") // the line itself shows it
    if (said.textContent !== words) said.textContent = words
    this.#changed()
  }

  // What the server has is kept like the words that it goes with.
  #changed() {
    const files = this.#uploads.filter(({ state }) => state === "done").map(({ said }) => said)
    this.#draft.keep(files.length ? { files } : null)
    this.dispatch("changed")
  }

  #line({ id }) { return this.listTarget.querySelector(`[data-upload="${id}"]`) }

  #of(button) { return this.#uploads.find(({ id }) => id === button.closest("li").dataset.upload) }

  // It is said with every answer; only that the server is back begins anew.
  #reached = () => {
    const { reached } = connection
    if (reached && !this.#wasReached) for (const upload of this.#uploads) if (upload.state === "waiting") upload.retry()
    this.#wasReached = reached
  }

  // The rest of a file goes with the page.
  #leaving = (event) => {
    if (this.#uploads.some(({ state }) => state === "sending" || state === "waiting")) event.preventDefault()
  }

  #over = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return
    event.preventDefault()
    this.element.dataset.over = ""
  }

  #out = (event) => {
    if (!this.#room.contains(event.relatedTarget)) delete this.element.dataset.over
  }

  #dropped = (event) => {
    if (!event.dataTransfer.files.length) return
    event.preventDefault()
    delete this.element.dataset.over
    this.#add(event.dataTransfer.files)
  }
}
