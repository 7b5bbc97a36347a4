module cartwheel/trillian-memory

go 1.26

require (
	github.com/google/trillian v1.7.3
	google.golang.org/grpc v1.79.3
)
