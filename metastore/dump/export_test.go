package dump

// ParseRow reads one record's body.
var ParseRow = parseRow
