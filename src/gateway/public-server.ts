import {createHttpServer, type HttpServer} from './http/http-server.ts'
import {type ServeOptions, serveRequest} from './serve-request.ts'

const TLS_VERSION_MIN = 'TLSv1.2'

/** The public HTTP side: each request that can be read in one way only goes to `serveRequest`. */
export function createPublicServer(options: ServeOptions): HttpServer {
  const {tls, limits} = options.settings()
  return createHttpServer({
    tls: tls === undefined ? undefined : {...tls, minVersion: TLS_VERSION_MIN},
    otherProtocol: 'websocket',
    connectionsMax: limits.connections,
    connectionsPerClientMax: () => options.settings().limits.connectionsPerClient,
    onCall: (call) => void serveRequest(options, call),
    onRefused: ({address, caller}, {code}, status) => {
      options.metrics.answered({function: '', from: caller === undefined ? 'client' : 'function'}, status, 0)
      if (options.settings().accessLog) options.log.info({client: address, status, function: '', code}, 'request')
    }
  })
}
