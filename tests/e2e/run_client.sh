#!/usr/bin/env bash
# A client as users write them: no quotes around $RESPONSE, relative paths, jq with fallbacks.
# Arguments are names of strategies. Run it in the workspace; POLL_SECONDS is 30 if not set.
API=${API_URL:-http://localhost:8000/api/v1}
OUT=docs/agentic/v1.5/experiment_results.txt

for NAME in "$@"; do
  RESPONSE=$(curl -s -X POST "$API/training/start" -H "Content-Type: application/json" \
    -d "{\"strategy_name\": \"$NAME\", \"symbol\": \"EURUSD\", \"timeframe\": \"1h\"}")
  ID=$(echo $RESPONSE | jq -r '.operation_id // .data.operation_id // empty')
  if [ -z "$ID" ]; then
    echo "$NAME refused:" >> $OUT
    echo $RESPONSE >> $OUT
    continue
  fi
  while true; do
    sleep "${POLL_SECONDS:-30}"
    RESPONSE=$(curl -s "$API/operations/$ID")
    STATUS=$(echo $RESPONSE | jq -r '.data.status // .status')
    [ "$STATUS" = "completed" ] && break
    [ "$STATUS" = "failed" ] && break
  done
  NOTE="-"
  if [ "$STATUS" = "failed" ]; then
    NOTE=$(echo $RESPONSE | jq -r '.data.error // .error // "Unknown error"')
  fi
  echo "$NAME|$STATUS|$ID|$NOTE" >> $OUT
  echo $RESPONSE >> $OUT
done
