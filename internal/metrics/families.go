package metrics

// Name is a metric that a node shows.
type Name string

// The metrics that are read when somebody asks for them.
const (
	SFTPConnections  Name = "truckee_sftp_connections"
	SFTPRefusals     Name = "truckee_sftp_refusals_total"
	SFTPRequests     Name = "truckee_sftp_requests_total"
	SFTPFailures     Name = "truckee_sftp_request_failures_total"
	SFTPBytes        Name = "truckee_sftp_bytes_total"
	SFTPLogins       Name = "truckee_sftp_logins_total"
	S3Connections    Name = "truckee_s3_connections"
	s3Requests       Name = "truckee_s3_requests_total"
	s3Seconds        Name = "truckee_s3_request_seconds"
	s3Bytes          Name = "truckee_s3_bytes_total"
	OpenFiles        Name = "truckee_open_files"
	DraftBytes       Name = "truckee_draft_bytes"
	SpoolBytes       Name = "truckee_spool_bytes"
	FlightBytes      Name = "truckee_blocks_in_flight_bytes"
	CacheLookups     Name = "truckee_cache_lookups_total"
	CacheBytes       Name = "truckee_cache_bytes"
	AccountsFaults   Name = "truckee_accounts_faults"
	SFTPBanned       Name = "truckee_sftp_banned"
	StoreState       Name = "truckee_blockstore_state"
	StoreOwed        Name = "truckee_blockstore_owed_blocks"
	StoreLatency     Name = "truckee_blockstore_read_latency_seconds"
	StoreFaults      Name = "truckee_blockstore_faults_total"
	StoreSlow        Name = "truckee_blockstore_slow"
	IndexBlocks      Name = "truckee_index_blocks"
	IndexBytes       Name = "truckee_index_bytes"
	CollectionTime   Name = "truckee_collection_last_timestamp_seconds"
	CollectionTook   Name = "truckee_collection_last_duration_seconds"
	CollectionBlocks Name = "truckee_collection_last_blocks"
	CollectionBytes  Name = "truckee_collection_last_bytes"
	CollectionDamage Name = "truckee_collection_last_damaged"
	MetastoreUp      Name = "truckee_metastore_up"
	AuditRecords     Name = "truckee_audit_records_total"
	AuditLost        Name = "truckee_audit_lost_total"
	AuditFailing     Name = "truckee_audit_failing"
	commitSeconds    Name = "truckee_commit_seconds"
	commitChanges    Name = "truckee_commit_changes"
	commitsLost      Name = "truckee_commit_failures_total"
	blockSeconds     Name = "truckee_blockstore_request_seconds"
	blockBytes       Name = "truckee_blockstore_request_bytes_total"
	blockErrors      Name = "truckee_blockstore_request_errors_total"
)

// The types of metrics.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// Family describes one metric.
type Family struct {
	Name   Name
	Type   string // "counter", "gauge" or "histogram"
	Labels []string
	Help   string
}

// Families lists every metric of this package, in the order of the manual. The
// Go runtime's (go_…) and the process's (process_…) come besides.
func Families() []Family {
	return []Family{
		{SFTPConnections, gauge, []string{"state"}, "SSH connections: state is login (not logged in yet) or session."},
		{SFTPRefusals, counter, []string{"reason"}, "Clients that were refused, by reason; silent ones said nothing, as load balancers do."},
		{SFTPBanned, gauge, []string{"what"}, "Who is banned just now for failed logins: what is address (dropped as it comes) or name (of an account, from one address: its passwords aren't looked at)."},
		{SFTPLogins, counter, nil, "Logins."},
		{AccountsFaults, gauge, nil, "Files of accounts, authorities and revoked keys that are wrong just now; what they said before stays in force."},
		{SFTPRequests, counter, []string{"op"}, "SFTP requests of all sessions, by what they ask for."},
		{SFTPFailures, counter, []string{"op", "kind"}, "Those that failed, by the kind of the error; not_exist is everyday."},
		{SFTPBytes, counter, []string{"direction"}, "Bytes of files, by SFTP and scp: direction is in or out."},
		{S3Connections, gauge, nil, "Connections of S3 clients, idle ones, too."},
		{s3Requests, counter, []string{"operation", "status"}, "S3 requests by their operation, as S3 names it (unknown: none), and the HTTP status of the answer."},
		{s3Seconds, histogram, []string{"operation"}, "How long they took, bodies included."},
		{s3Bytes, counter, []string{"operation", "direction"}, "Bytes of their bodies: direction is in or out."},
		{OpenFiles, gauge, nil, "Files open for writing, or being read, of all sessions; one that several have open counts once."},
		{DraftBytes, gauge, nil, "Unsaved bytes in memory (dirty_memory bounds them)."},
		{SpoolBytes, gauge, nil, "Room that the encrypted spool takes on the disk (spool_limit bounds it)."},
		{FlightBytes, gauge, nil, "Bytes of blocks that are being sealed, or on their way to the blockstore (flight_memory bounds them)."},
		{CacheLookups, counter, []string{"cache", "result"}, "Looks into a cache, by result (hit or miss): chunks (parts of files, decrypted; streams that pass it aren't counted), file_nodes, directories, and each cache of blocks on a disk, by its name as a store."},
		{CacheBytes, gauge, []string{"cache"}, "What it holds."},
		{commitSeconds, histogram, nil, "How long a commit of directories took, in which many changes may have gone together."},
		{commitChanges, histogram, nil, "Changes that went into one commit."},
		{commitsLost, counter, []string{"kind"}, "Requests of commits that the metastore refused, by the kind of the error; conflict: another gateway was faster, and it was tried again."},
		{MetastoreUp, gauge, nil, "1 if the metastore answered just now."},
		{IndexBlocks, gauge, nil, "Blocks that the index has."},
		{IndexBytes, gauge, nil, "Their bytes, as stored."},
		{StoreState, gauge, []string{"node", "state"}, "1 for the state that the blockstore or a node of a RAID is in (node is empty at the top), as `truckee blockstore status` says it."},
		{StoreOwed, gauge, []string{"node"}, "Blocks in the repair queue for a node of a RAID."},
		{StoreLatency, gauge, []string{"node"}, "How long reads of a node of a RAID take, as last estimated."},
		{StoreFaults, counter, []string{"node"}, "Copies on a node of a RAID that reads found absent or damaged. They are repaired."},
		{StoreSlow, gauge, []string{"node"}, "1 for a node of a RAID that is in use, but takes far longer than the others."},
		{blockSeconds, histogram, []string{"store", "op"}, "How long requests to a store behind a network took, tries of their own each."},
		{blockBytes, counter, []string{"store", "op"}, "Bytes that such requests carried."},
		{blockErrors, counter, []string{"store", "op", "kind"}, "Such requests that failed, by the kind of the error."},
		{CollectionTime, gauge, nil, "When this gateway's last collection began."},
		{CollectionTook, gauge, nil, "How long it took."},
		{CollectionBlocks, gauge, []string{"class"}, "Blocks by what it found them to be: reachable, drafts, waiting (for their grace time), held (by damage), denied (no right to delete), undone (a node didn't answer), deleted."},
		{CollectionBytes, gauge, []string{"class"}, "Their bytes, as stored."},
		{AuditRecords, counter, nil, "Audit records that were written."},
		{AuditLost, counter, nil, "Audit records that were not: the disk was full, or a syslog slow."},
		{AuditFailing, gauge, nil, "1 while no audit records can be written. With `required` nothing is served then."},
		{CollectionDamage, gauge, nil, "Damaged or missing parts that it met."},
	}
}
