// A button that asks the server for one thing: it waits for the answer, and what went wrong is said.
import { Offline, reason, request } from "./api.js"
import { toast } from "./dom.js"

// The answer, or null when there was none.
export async function ask(button, url, method = "POST", body) {
  button.disabled = true
  try {
    const answer = await request(method, url, { body })
    if (!answer.ok) toast(reason(answer))
    return answer
  } catch (error) {
    if (!(error instanceof Offline)) throw error
    toast("The server does not answer. Look whether it was done, and press again if not.")
    return null
  } finally {
    button.disabled = false
  }
}
