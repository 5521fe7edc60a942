"""How a pod ends: Envoy is told to drain, and lives on until no request is left, or time is up.

Run by bash, which the Envoy image has, with nothing but its builtins and `sleep`. Its argument is
the time in seconds.
"""

from controller import names

SETTLE_SECONDS = 5
"""How long new requests may still arrive after Kubernetes took the pod out of its Services."""
_OF_REQUESTS = "%5Ehttp%5C.https%3F/.*downstream_%28rq_active%7Ccx_tx_bytes_buffered%29%24"
"""Requests under way and answers not sent yet, of listeners that serve."""


def script(port: int = names.LOCAL_PORT, settle_seconds: int = SETTLE_SECONDS) -> str:
    """Make the text for `bash -c`."""
    return f"""\
ask() {{
  exec 3<>/dev/tcp/127.0.0.1/{port} || return 1
  printf '%s HTTP/1.1\\r\\nhost: drain\\r\\nconnection: close\\r\\n' "$1" >&3
  printf 'content-length: 0\\r\\n\\r\\n' >&3
  while IFS= read -r -t 5 line <&3; do printf '%s\\n' "${{line%$'\\r'}}"; done
  exec 3<&- 3>&-
}}
busy() {{
  ask 'GET /stats?filter={_OF_REQUESTS}' | {{
    answered=
    while read -r name count; do
      [[ $name == HTTP/1.1 && $count == 200* ]] && answered=yes
      [[ $name == http.http* && $count != 0 ]] && echo "$name"
    done
    [[ $answered ]] || echo unanswered
  }}
}}
ask 'POST /drain_listeners?graceful&skip_exit' >/dev/null 2>&1 || exit 0
while (( SECONDS < $1 )); do
  sleep 1
  (( SECONDS < {settle_seconds} )) || [[ $(busy 2>/dev/null) ]] || exit 0
done
"""
