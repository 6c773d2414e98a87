-- database.audit.AuditLog.page
SELECT TOP 51 audit_log.id, audit_log.at, audit_log.actor, audit_log.action, audit_log.subject, audit_log.reason,
    audit_log.correlation_id, audit_log.details
FROM audit_log
WHERE audit_log.actor = ? AND audit_log.action = ? AND audit_log.at >= ? AND audit_log.id < ? ORDER BY audit_log.id
    DESC

-- database.audit.AuditLog.page
SELECT TOP 51 audit_log.id, audit_log.at, audit_log.actor, audit_log.action, audit_log.subject, audit_log.reason,
    audit_log.correlation_id, audit_log.details
FROM audit_log ORDER BY audit_log.id DESC

-- database.dialects.mssql.LOCK_BY_NAME
SET NOCOUNT ON;
BEGIN TRY
DECLARE @schemas INT, @granted INT;
SELECT @schemas = COUNT(*) FROM sys.schemas;
EXEC @granted = sys.sp_getapplock @Resource = ?, @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout =
    ?;
SELECT @granted AS granted;
END TRY
BEGIN CATCH
THROW;
END CATCH

-- database.mssql_engine.TRANSACTION
SELECT MAX(CURRENT_TRANSACTION_ID()) FROM sys.schemas
