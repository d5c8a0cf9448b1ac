// The peer of the fan-out benchmark: Node's own socket.io server, as its documentation sets it up.
import { createServer } from "node:http"
import { Server } from "socket.io"

const port = Number(process.argv[2])
const http = createServer()
const io = new Server(http, { transports: ["websocket"] })
const texts = new Map()

function text(size) {
  if (!texts.has(size)) texts.set(size, "x".repeat(size))
  return texts.get(size)
}

io.on("connection", socket => {
  socket.join("room")
  socket.on("go", ({ i, s }) => {
    io.to("room").emit("m", { i, t: Number(process.hrtime.bigint()), d: text(s) })
  })
})
http.listen(port, "127.0.0.1")
