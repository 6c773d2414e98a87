{{- define "orderflow.labels" -}}
app.kubernetes.io/name: orderflow
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What selects the pods of a role; takes root and role. It never changes, as Deployments demand. */}}
{{- define "orderflow.selector" -}}
app.kubernetes.io/name: orderflow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "orderflow.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "orderflow.scheme" -}}
{{- if and (not .Values.tls.secret) (ne (get .Values.settings "ORDERFLOW_BEHIND_PROXY") "on") }}
{{- fail "name a certificate in tls.secret; or set ORDERFLOW_BEHIND_PROXY to \"on\" in settings, if a proxy in front of every pod speaks TLS" }}
{{- end }}
{{- ternary "https" "http" (ne .Values.tls.secret "") }}
{{- end }}

{{/* The environment of every container; takes root. */}}
{{- define "orderflow.environment" -}}
{{- range list "DATABASE_URL" "FULFILLMENT_DATABASE_URL" "API_KEY" "KAFKA_PASSWORD" }}
{{- if hasKey $.root.Values.settings (print "ORDERFLOW_" .) }}
{{- fail (printf "settings: ORDERFLOW_%s is a secret: put it into the Secrets, as %s" . (lower (print "ORDERFLOW_" .))) }}
{{- end }}
{{- end }}
{{- range list "SECRETS_DIR" "HOST" "PORT" "FULFILLMENT_PORT" "RELAY_PORT" "ORDERS_URL" "FULFILLMENT_URL" "API_WORKERS" "TLS_CERT" "TLS_KEY" "TLS_CLIENT_CA" "CA" "ARCHIVE_DIR" }}
{{- if hasKey $.root.Values.settings (print "ORDERFLOW_" .) }}
{{- fail (printf "settings: ORDERFLOW_%s is set by the chart: see tls, api and archive in its values" .) }}
{{- end }}
{{- end }}
{{- $archive := .root.Values.archive }}
{{- if ne (empty $archive.orders) (empty $archive.fulfillment) }}
{{- fail "archive: name a claim for each service, archive.orders and archive.fulfillment" }}
{{- end }}
{{- range list "ORDERFLOW_ORDERS_KEPT_S" "ORDERFLOW_SHIPMENTS_KEPT_S" }}
{{- if and (hasKey $.root.Values.settings .) (not $archive.orders) }}
{{- fail (printf "settings: %s needs archive.orders and archive.fulfillment" .) }}
{{- end }}
{{- end }}
{{- $scheme := include "orderflow.scheme" .root }}
{{- $release := .root.Release.Name }}
- { name: ORDERFLOW_SECRETS_DIR, value: /etc/orderflow/secrets }
- { name: ORDERFLOW_ORDERS_URL, value: "{{ $scheme }}://{{ $release }}-api:8080" }
- { name: ORDERFLOW_FULFILLMENT_URL, value: "{{ $scheme }}://{{ $release }}-fulfillment:8081" }
- { name: ORDERFLOW_API_WORKERS, value: {{ .root.Values.api.workers | quote }} }
- { name: ORDERFLOW_RELAY_PORT, value: "8082" }
{{- if $archive.orders }}
- { name: ORDERFLOW_ARCHIVE_DIR, value: /var/lib/orderflow/archive }
{{- end }}
{{- if .root.Values.tls.secret }}
- { name: ORDERFLOW_TLS_CERT, value: /etc/orderflow/tls/tls.crt }
- { name: ORDERFLOW_TLS_KEY, value: /etc/orderflow/tls/tls.key }
- { name: ORDERFLOW_CA, value: /etc/orderflow/tls/ca.crt }
{{- end }}
{{- range $name, $value := .root.Values.settings }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}

{{/* What all pods have in common; takes root, secret, the name of the Secret with the role's settings, and archive, that
of its claim for archives, if it has one. */}}
{{- define "orderflow.pod" -}}
automountServiceAccountToken: false # nothing here asks the Kubernetes API
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001 # may read the files of Secrets
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: { medium: Memory, sizeLimit: 64Mi }
  - name: secrets
    secret: { secretName: {{ required "name the Secrets: secrets.orders, secrets.fulfillment and secrets.migrate" .secret }}, defaultMode: 0440 }
{{- with .root.Values.tls }}
{{- if .secret }}
  - name: tls
    projected:
      defaultMode: 0440
      sources:
        - secret:
            name: {{ .secret }}
            items:
              - { key: tls.crt, path: tls.crt }
              - { key: tls.key, path: tls.key }
              {{- if not .authorities }}
              - { key: ca.crt, path: ca.crt }
              {{- end }}
        {{- if .authorities }}
        - configMap:
            name: {{ .authorities }}
            items: [{ key: ca.crt, path: ca.crt }]
        {{- end }}
{{- end }}
{{- end }}
{{- with .archive }}
  - name: archive
    persistentVolumeClaim: { claimName: {{ . }} }
{{- end }}
{{- end }}

{{/* What all containers have in common; takes root, and archive as the pod does. */}}
{{- define "orderflow.container" -}}
image: {{ include "orderflow.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
env: {{- include "orderflow.environment" . | nindent 2 }}
volumeMounts:
  - { name: tmp, mountPath: /tmp }
  - { name: secrets, mountPath: /etc/orderflow/secrets, readOnly: true }
  {{- if .root.Values.tls.secret }}
  - { name: tls, mountPath: /etc/orderflow/tls, readOnly: true }
  {{- end }}
  {{- if .archive }}
  - { name: archive, mountPath: /var/lib/orderflow/archive }
  {{- end }}
{{- end }}

{{/* A role that runs for ever; takes root, role, port, secret, archive, values, and replicas unless something else sets
them. */}}
{{- define "orderflow.deployment" -}}
{{- $root := .root }}
{{- $scheme := include "orderflow.scheme" .root | upper }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .root.Release.Name }}-{{ .role }}
  labels:
    {{- include "orderflow.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  selector:
    matchLabels: {{- include "orderflow.selector" . | nindent 6 }}
  strategy:
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  template:
    metadata:
      labels:
        {{- include "orderflow.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
      {{- with .root.Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "orderflow.pod" . | nindent 6 }}
      terminationGracePeriodSeconds: 30 # the pause below, and 15 s in which a role ends
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "orderflow.selector" $ | nindent 14 }}
        {{- end }}
      containers:
        - name: {{ .role }}
          args: [{{ .role }}]
          {{- include "orderflow.container" . | nindent 10 }}
          resources: {{- toYaml .values.resources | nindent 12 }}
          ports: [{ name: http, containerPort: {{ .port }} }]
          # A role waits for its database for 60 s, and then ends with a message.
          startupProbe:
            httpGet: { path: /health/live, port: http, scheme: {{ $scheme }} }
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 60
          readinessProbe:
            httpGet: { path: /health/ready, port: http, scheme: {{ $scheme }} }
            periodSeconds: 5
            timeoutSeconds: 5
          # A process whose loops hang ends itself after 120 s; this is for one that cannot even do that.
          livenessProbe:
            httpGet: { path: /health/live, port: http, scheme: {{ $scheme }} }
            periodSeconds: 10
            timeoutSeconds: 10
            failureThreshold: 6
          lifecycle: # connections still arrive until the cluster knows that the pod ends
            preStop: { exec: { command: [sleep, "5"] } }
{{- end }}

{{/* The budget of a role's pods; takes root and role. */}}
{{- define "orderflow.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .root.Release.Name }}-{{ .role }}
  labels: {{- include "orderflow.labels" .root | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "orderflow.selector" . | nindent 6 }}
{{- end }}

{{/* The service of a role; takes root, role and port. */}}
{{- define "orderflow.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .root.Release.Name }}-{{ .role }}
  labels: {{- include "orderflow.labels" .root | nindent 4 }}
spec:
  selector: {{- include "orderflow.selector" . | nindent 4 }}
  ports: [{ name: {{ include "orderflow.scheme" .root }}, port: {{ .port }}, targetPort: http }]
{{- end }}
