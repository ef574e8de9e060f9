#pragma once

#include <memory>

#include "common/rpc/call_gate.h"
#include "common/rpc/tls_credentials.h"
#include "grpcpp/security/server_credentials.h"

namespace xpu {

// mTLS for a gRPC server: every connection shows and checks what `tls` holds when it is made, and every call
// is put before `gate`, which is not owned, outlives the server and may be null. gRPC's C++ library has
// neither without polling the files, its core has both.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(std::shared_ptr<TlsCredentials> tls,
                                                               CallGate* gate);

}  // namespace xpu
