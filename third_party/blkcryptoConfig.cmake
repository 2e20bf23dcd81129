# SPDX-License-Identifier: Apache-2.0
# find_package(blkcrypto): the targets blkcrypto::base ... blkcrypto::lab, and what the static libraries behind them
# link. Installed as it is.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(Boost 1.81 CONFIG COMPONENTS headers)
find_dependency(OpenSSL 3.0 COMPONENTS Crypto)
find_dependency(fmt 9)
find_dependency(CLI11 2.1)
find_dependency(nlohmann_json 3.11)
find_dependency(PkgConfig)
foreach(module liburing>=2.3 libisal>=2.30 nettle>=3.8 libgcrypt>=1.10)
    string(REGEX MATCH "^[a-z]+" name ${module})
    pkg_check_modules(${name} QUIET IMPORTED_TARGET ${module})
    if(NOT TARGET PkgConfig::${name})
        set(blkcrypto_FOUND FALSE)
        set(blkcrypto_NOT_FOUND_MESSAGE "pkg-config does not find ${module}")
        return()
    endif()
endforeach()

include(${CMAKE_CURRENT_LIST_DIR}/blkcryptoTargets.cmake)
