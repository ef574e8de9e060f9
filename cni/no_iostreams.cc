// Every object of libprotobuf-lite includes <iostream>, and that sets up eight streams and a locale before
// main(): a tenth of what the whole program takes. It uses none of them, so the set-up is replaced by
// nothing. That no stream is linked is tested.

#include <ios>

namespace std {

ios_base::Init::Init() {}   // NOLINT(cert-dcl58-cpp)
ios_base::Init::~Init() {}  // NOLINT(cert-dcl58-cpp)

}  // namespace std
