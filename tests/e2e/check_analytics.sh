#!/usr/bin/env bash
# A checker as users write them: walks the run directories of the workspace it is started in.
TOTAL=0
GOOD=0
for DIR in training_analytics/runs/*/; do
  TOTAL=$((TOTAL + 1))
  FAULT=""
  [ -s "${DIR}metrics.csv" ] || FAULT="$FAULT metrics.csv"
  [ -s "${DIR}detailed_metrics.json" ] || FAULT="$FAULT detailed_metrics.json"
  [ -f "${DIR}alerts.txt" ] || FAULT="$FAULT alerts.txt"
  [ -s "${DIR}config.yaml" ] || FAULT="$FAULT config.yaml"
  LINES=$(wc -l < "${DIR}metrics.csv")
  BAD=$(awk -F, 'NR > 1 && ($5 == "" || $5 + 0 < 0 || $5 + 0 > 1 || $5 ~ /nan/) { n++ } END { print n + 0 }' "${DIR}metrics.csv")
  [ "$BAD" -eq 0 ] || FAULT="$FAULT val_acc"
  NAME=$(grep -m1 "name:" "${DIR}config.yaml" | awk '{print $2}')
  LAST=$(tail -1 "${DIR}metrics.csv" | awk -F, '{print $5}')
  if [ -z "$FAULT" ]; then
    GOOD=$((GOOD + 1))
    echo "ok $NAME $LINES $LAST"
  else
    echo "bad $NAME:$FAULT"
  fi
done
echo "Total runs: $TOTAL"
echo "Complete analytics: $GOOD"
